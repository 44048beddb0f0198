"""Lists, dialogs, the bar of keys, tabs: widgets that any screen may use.

None knows which screen it stands on, and none asks the session anything. Begin with `line_list`,
on which the long lists are built, and `dialogs`.
"""
