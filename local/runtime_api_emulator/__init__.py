"""The parts of local/runtime_api.py."""
