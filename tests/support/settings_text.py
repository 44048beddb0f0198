"""What `docs/settings.md` says before and after its table of settings."""

ABOUT_SETTINGS = """
# Settings

What one sets once stands in `config.toml` in your configuration folder
(`~/.config/circuit-workbench` on Linux, `~/Library/Application Support/circuit-workbench` on
macOS, `%LOCALAPPDATA%\\circuit-workbench` on Windows; `WORKBENCH_CONFIG` names another folder).
It need not be there.

```bash
workbench config edit           # opens it in $VISUAL or $EDITOR, and makes it if it is missing
workbench config show           # every setting with its value and where it comes from
workbench config check          # what is wrong, line by line; exit code 2 if anything is
workbench config path           # where it is
```

A new file has every setting with its sentence, commented out. `show` and `check` print JSON with
`--json`.

An option on the command line goes before an environment variable, that before the file, and the
file before the default. The variable of a setting is `WORKBENCH_` and its name in capitals, with
`_` for a point: `WORKBENCH_THEME=nord`, `WORKBENCH_DEFAULTS_PAIRS=8`,
`WORKBENCH_LAYOUT_WIDTHS="[1, 2, 1]"`. Lists and numbers are written as in TOML.

What cannot be followed (a name that is not known, a value of another kind) is told in one
sentence with file and line, once at the start of the app and on stderr by the commands, and the
default holds. What you change in the app, such as the theme, is written to the file; its comments
and its order stay.

Scripts that use the Python API are not touched by any of it: what they compute depends on what
they say.

## Every setting

`layout.widths` is in the table `[layout]` as `widths`, and so on.
"""

ABOUT_KEYS_AND_THEMES = """
## The first threshold

`share X` is a share of what corrupting the prompts does to the metric, `value X` a number in the
metric's own units, and `top K` the size of the K-th largest estimate, so that K edges reach it. A
session keeps the threshold that it began with; the rule is asked at its beginning alone.

## Keys

The table `[keys]` gives actions other keys, by the ids in the last column of [keys.md](keys.md):

```toml
[keys]
bench.expand = "x"
bench.drop_all = "e"
list.down = ["down", "ctrl+j"]
```

The action then has these keys and no others. A key is written as its character (`x`, `X`, `?`),
by its name (`enter`, `space`, `backspace`, `delete`, `home`, `pagedown`, `left`, `f5`), or with
`ctrl+` (also `^`) or `shift+`; alt cannot be had, since terminals send it as escape and a letter.
`?`, the footer, the palette, hints in dialogs, messages and the tutorial name your keys.

`keymap = "FILE.toml"` names a file with the same table, or with what would be in it at its top;
`[keys]` in `config.toml` goes before it. esc, tab, ^c, ^g, ^l, ^p and ^q keep what they do.

Where two actions would have one key at one place, the one that stands further down in your file
keeps its own keys, and `workbench config check` and the app's first message name both ids and the
key.

## Colours

`theme` is one of the themes that the palette (^p, "Theme") lists; one chosen there is kept. A
file of your own, `themes/NAME.toml` beside `config.toml`, makes another of that name:

```toml
primary = "#268bd2"             # the only one that has to be there
secondary = "#2aa198"
accent = "#d33682"
foreground = "#93a1a1"
background = "#002b36"
surface = "#073642"
panel = "#0a4050"
warning = "#b58900"
error = "#dc322f"
success = "#859900"
dark = true
```

Further fields are `name`, `boost`, `luminosity_spread`, `text_alpha`, `ansi` and the table
`variables`, all as Textual's `Theme` has them. In every theme, your own and the built-in ones,
inks that would be hard to read are moved towards black or white: text has a contrast of at least
4.5 with its ground, and lines and quiet text of 3 (WCAG 2).

On a terminal with sixteen colours (TERM=xterm) the theme `ansi-dark` takes the terminal's own
colours, unless you chose a theme. With `NO_COLOR` set nothing has colour; every mark differs by
its shape.
"""
