"""Where people meet the system: interfaces parse, call and present, and hold no model logic."""
