"""What an agent can do: action spaces, and distributions over their actions."""
