"""Lists, dialogs, the bar of keys, tabs: widgets that any screen may use."""
