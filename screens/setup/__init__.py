"""The setup screen: model, task and options, or a former session to go on with."""
