"""Sirdar: WhatsApp operations bots from YAML flows."""
