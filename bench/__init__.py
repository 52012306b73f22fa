"""How fast is it: `python -m bench.run` measures a full durable turn against the bare minimum on the same machine."""
