"""The business behind the chat: services and the actions that flows call."""
