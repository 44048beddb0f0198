"""The graph screen: the circuit drawn by layers, and its nodes in groups with a role.

Three views of one picture: single nodes by layer, the same at the token roles where they write, or
a box for each group with the edges between them counted. Groups are the session's; everything else
here (cursor, picked nodes, focus) is only looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.widgets import Static

from screens.base.actions import Action
from screens.base.numbers import count, plain
from screens.base.tokens import one_line
from screens.base.worker import Worker, error_sentence
from screens.graph.canvas import Canvas
from screens.graph.circuit_map import Map
from screens.graph.copies import graph_copies
from screens.graph.group_map import draw_groups
from screens.graph.keys import ACTIONS, BY_NAME, FOOTERS
from screens.graph.layer_map import draw_layers
from screens.graph.link_list import LinkList
from screens.graph.picture import Member, Picture, letter, standing
from screens.graph.role_map import HEADINGS, draw_roles
from screens.graph.role_picture import RolePicture
from screens.graph.words import about, legend
from screens.widgets.changes import put_text
from screens.widgets.copying import Copies
from screens.widgets.decisions import Decides, DecisionLine
from screens.widgets.key_bar import KeyBar
from screens.widgets.line_list import LineList
from workbench.base.text import counted
from workbench.circuits.names import LOGITS, split_role
from workbench.session.views import Status

if TYPE_CHECKING:
    from workbench.pictures.settings import GroupsAs
    from workbench.session.session import Session

LOOK_AGAIN = 0.5
"""Seconds between looks whether a command that was under way has changed the circuit."""


class GraphScreen(Decides):
    """The circuit as a picture. Answers the node to go to, or None.

    Attributes:
        picked: nodes chosen for a group, in the order in which they were.
        focus_on: the node whose paths to the logits are drawn alone; None: everything is.
        by_group: the group view is shown.
        by_position: nodes stand at their token roles, and are named with them, where they are
            drawn singly.
    """

    CSS_PATH = Path(__file__).with_name("screen.tcss")
    AUTO_FOCUS = "#map"
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - the base class declares it
        (0, "-narrow"),
        (120, "-wide"),
    ]
    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS
    BINDINGS: ClassVar[list[BindingType]] = [
        *(action.binding() for action in ACTIONS),
    ]

    def __init__(
        self, session: Session, node: str | None = None, *, by_group: bool = False
    ) -> None:
        super().__init__()
        self.session = session
        self.node = node or "logits"
        self.picked: list[str] = []
        self.focus_on: str | None = None
        self.by_group = by_group
        self.by_position = False
        self.picture = Picture.of(session)
        self._status = session.status()
        self._member: str | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="graph-title")
        with Container(id="graph-body"):
            yield Map(id="map")
            with Vertical(id="side"):
                yield Static(id="about")
                yield LinkList(id="links")
                yield Static(id="legend")
        yield DecisionLine(self.decisions)
        yield KeyBar(BY_NAME["help"], id="keys")

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self.redraw())
        self._background = Worker(self, "graph", owes=True)
        self.set_interval(LOOK_AGAIN, self._look)
        self.node = self.map.cursor = standing(self.picture, self.node)
        if self.by_group:
            self._show_groups()

    def on_unmount(self) -> None:
        self.decisions.drop_all()
        self._background.stop()

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    @property
    def map(self) -> Map:
        return self.query_one("#map", Map)

    # Showing.

    def _look(self) -> None:
        if self.session.status() is not self._status:
            self.renew()

    def renew(self) -> None:
        """Draw the circuit as the session has it now."""
        self._status = self.session.status()
        self._take_picture()
        there = set(self.session.circuit.nodes())
        self.picked = [node for node in self.picked if node in there]
        self.redraw()

    def _take_picture(self) -> None:
        """The picture of the view that is shown now; what is looked at stays where it is."""
        singly_at_roles = self.by_position and not self.by_group
        self.picture = (RolePicture if singly_at_roles else Picture).of(self.session)
        if self.focus_on not in self.picture.layer:
            self.focus_on = None
        self.node = standing(self.picture, self.node)
        if not self.by_group:
            self.map.cursor = self.node

    @property
    def _chosen(self) -> str:
        """The node under the cursor, without its role."""
        return split_role(self.node)[0]

    def shown(self) -> set[str]:
        """The nodes that are drawn."""
        if self.focus_on is None:
            return set(self.picture.layer)
        return self.picture.paths_to_logits(self.focus_on)

    def redraw(self) -> None:
        self.set_class(self.by_group, "-groups")
        drawing = self.map
        width = drawing.scrollable_content_region.width
        if not width:
            return
        headings = 0
        if self.by_group:
            lines, spots = draw_groups(
                self.picture, cursor=drawing.cursor, width=width, ink=drawing.ink
            )
        else:
            picture, draw = self.picture, partial(draw_layers, self.picture)
            if isinstance(picture, RolePicture):
                draw, headings = partial(draw_roles, picture), HEADINGS
            lines, spots = draw(
                shown=self.shown(),
                cursor=drawing.cursor,
                picked=self.picked,
                width=width,
                ink=drawing.ink,
            )
        drawing.draw(lines, spots, headings)
        self._describe()

    def _describe(self) -> None:
        """Bring the title, the side and the legend up to date."""
        status = self._status
        faithfulness = "undefined" if status.faithfulness is None else plain(status.faithfulness, 3)
        at = ""
        if isinstance(self.picture, RolePicture):
            at = f" at {counted(len(self.picture.columns), 'role')}"
        parts = [
            f"{counted(len(self.picture.layer), 'node')}{at}, {counted(status.edges, 'edge')}",
            f"faithfulness {faithfulness}, {'closed' if status.closed else 'open'}",
        ]
        if self.focus_on is not None and not self.by_group:
            parts.insert(
                0, f"only paths {self.focus_on} → logits: {count(len(self.shown()))} nodes"
            )
        if isinstance(self.picture, RolePicture) and self.picture.unread:
            parts.insert(0, f"{counted(self.picture.unread, 'edge')} read nowhere")
        if self.picked:
            parts.insert(0, f"{count(len(self.picked))} picked")
        footer = FOOTERS["groups" if self.by_group else "nodes"]
        self.query_one(KeyBar).offer([BY_NAME[name] for name in footer])
        view = "Groups" if self.by_group else "By position" if at else "Graph"
        put_text(self.query_one("#graph-title", Static), Text(f"{view}  " + " · ".join(parts)))
        put_text(self.query_one("#about", Static), about(self.picture, self.node))
        self.query_one("#links", LinkList).show_links(self.picture, self.node)
        put_text(self.query_one("#legend", Static), legend(self.picture))

    # The cursor.

    def on_canvas_moved(self, event: Canvas.Moved) -> None:
        if self.by_group:
            self._member = event.key
        else:
            self.node = event.key
        self.redraw()

    def on_canvas_chosen(self, event: Canvas.Chosen) -> None:
        if self.by_group:
            self._go_into(event.key)
        else:
            self.dismiss(self._chosen)

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        self._follow()

    def _follow(self) -> None:
        """From a link in the list to the node at its other end."""
        row = self.query_one("#links", LinkList).highlighted
        if row is not None:
            self._go_to(row.other)

    def _go_to(self, node: str) -> None:
        """Put the cursor on a node, drawing what is needed for that."""
        if self.focus_on is not None and node not in self.shown():
            self.focus_on = None
        self._show_nodes()
        self.node = self.map.cursor = standing(self.picture, node)
        self.redraw()

    def _show_nodes(self) -> None:
        """Draw single nodes, if groups are drawn now."""
        if self.by_group:
            self.by_group = False
            self._take_picture()

    def _go_into(self, key: str) -> None:
        member = self._members().get(key)
        if member is not None and member.nodes:
            self._go_to(member.nodes[0])
            self.map.focus()

    def _members(self) -> dict[str, Member]:
        return {member.key: member for member in self.picture.members()}

    # Keys.

    def action_leave(self) -> None:
        if self.picked:
            self.picked.clear()
            self.redraw()
        else:
            self.dismiss(None)

    def action_go_in(self) -> None:
        if self.focused is self.query_one("#links"):
            self._follow()
        elif self.by_group:
            self._go_into(self._member or "")
        else:
            self.dismiss(self._chosen)

    def action_pick(self) -> None:
        if self.by_group:
            return
        if self._chosen in self.picked:
            self.picked.remove(self._chosen)
        else:
            self.picked.append(self._chosen)
        self.redraw()

    def action_focus_paths(self) -> None:
        self._show_nodes()
        self.focus_on = self.node if self.focus_on is None else None
        self.map.cursor = self.node
        self.redraw()

    def action_groups(self) -> None:
        self.by_group = not self.by_group
        self._take_picture()
        self._show_groups()
        self.redraw()

    def action_by_role(self) -> None:
        self.by_position = self.by_group or not self.by_position
        self.by_group = False
        self._take_picture()
        self.redraw()

    def _show_groups(self) -> None:
        """Put the cursor where it belongs in the view that is shown now."""
        keys = list(self._members())
        if self._member not in keys:
            self._member = keys[0]
        self.map.cursor = self._member if self.by_group else self.node
        if self.by_group:
            self.map.focus()

    def action_links(self) -> None:
        links = self.query_one("#links", LinkList)
        (self.map if self.focused is links or self.by_group else links).focus()

    def action_jump(self) -> None:
        from screens.widgets.node_jump import Jump

        known = {node: self._words(group) for node, group in self.picture.group_of.items()}
        known = {node: known.get(node, "") for node in self.picture.nodes}

        def go(node: str | None) -> None:
            if node is not None:
                self._go_to(node)

        self.app.push_screen(Jump(self.picture.nodes, known), go)

    def _words(self, group: int) -> str:
        return f"{letter(group)} {self.picture.groups[group].name}"

    def action_assign(self) -> None:
        """Ask for the group of the picked nodes, else of what is under the cursor."""
        from screens.graph.group_dialog import GroupDialog

        nodes = tuple(self.picked) or (self._chosen,)
        if self.by_group:
            member = self._members().get(self._member or "")
            if member is None or not member.key.isdecimal():
                self.notify(
                    "Pick nodes in the graph first: {key:graph.groups}, then {key:graph.pick}.",
                    markup=False,
                )
                return
            nodes = self.picture.groups[int(member.key)].nodes

        def assign(answer: tuple[str, str] | None) -> None:
            if answer is not None:
                self._command(lambda: self.session.move_to_group(nodes, *answer))
                self.picked.clear()

        held = self.session.heads.held
        kinds = () if held is None else held.table.looks_like(nodes)
        self.app.push_screen(GroupDialog(nodes, self.picture.groups, kinds), assign)

    def action_between(self) -> None:
        """Ask for the edges between the picked nodes, or the group here, and others."""
        from screens.graph.between_dialog import BetweenDialog, EdgesBetween

        index = self._member if self.by_group else self.picture.group_of.get(self.node)
        named = index is not None and str(index).isdecimal()
        # The logits, the input and what is in no group have a box, but no group's name.
        box = self._members().get(self._member or "") if self.by_group else None
        nodes = (self._chosen,) if box is None else box.nodes
        first = (self.picture.groups[int(str(index))].name,) if named else nodes
        ends = (tuple(self.picked) or first, ())

        def edit(asked: EdgesBetween | None) -> None:
            if asked is not None:
                said, how = (
                    (asked.sources, asked.readers, asked.did),
                    {"inputs": asked.inputs, "role": asked.role},
                )
                self._command(lambda: self.session.set_between(*said, **how))
                self.picked.clear()

        # The logits write nothing: with the cursor there they are what reads.
        turned = ends[::-1] if ends[0] == (LOGITS,) else ends
        self.app.push_screen(BetweenDialog(self.session, *turned), edit)

    def action_dissolve(self) -> None:
        """Remove the group under the cursor; its nodes stay in the circuit."""
        index = self.picture.group_of.get(self.node)
        if self.by_group:
            key = self._member or ""
            index = int(key) if key.isdecimal() else None
        if index is None:
            self.notify("There is no group under the cursor.", markup=False)
            return
        name = self.picture.groups[index].name
        self._command(lambda: self.session.remove_group(name))

    def action_undo(self) -> None:
        self._command(self.session.undo)

    def action_redo(self) -> None:
        self._command(self.session.redo)

    def action_draw(self) -> None:
        """Ask where to draw the circuit, and draw it there."""
        from screens.graph.picture_dialog import Answer, PictureDialog

        def write(answer: Answer | None) -> None:
            if answer is None:
                return
            path, settings = answer
            circuit = self.session.drawn()

            def work() -> None:
                from workbench.pictures.draw import draw_circuit

                draw_circuit(circuit, path, settings=settings)

            def done(_: None) -> None:
                self.notify(f"Written: {one_line(str(path))}", markup=False, timeout=8)

            self._background.put(work, done, self._refused)

        stem = f"{Path(self.session.model.name).stem}-{Path(self.session.task.name).stem}"
        groups: GroupsAs = "boxes" if self.by_group else "colour"
        at_roles = self.by_position and not self.by_group
        self.app.push_screen(PictureDialog(f"{one_line(stem)}.svg", groups, at_roles), write)

    def copies(self) -> Copies:
        """The node and its links; all nodes and all edges of the circuit."""
        return graph_copies(self.picture, self.node, self.query_one("#links", LinkList).table())

    def _refused(self, error: BaseException) -> None:
        self.notify(error_sentence(error), severity="error", markup=False, timeout=10)

    def action_help(self) -> None:
        from screens.help.screen import HelpScreen

        self.app.push_screen(HelpScreen())

    def _command(self, call: Callable[[], Status]) -> None:
        """Let the session do it; show the circuit as it is then."""

        def done(status: Status) -> None:
            self.renew()
            if status.message:
                self.notify(one_line(status.message), markup=False, timeout=3)

        def failed(error: BaseException) -> None:
            self._refused(error)
            self.renew()

        self.decide(self._background, call, done, failed)
