"""WhatsApp providers behind one protocol."""
