"""What this package brings, as descriptions: they import neither torch nor the code they name."""

from workbench.assessment.catalogue import Part
from workbench.discovery.catalogue import Method, Number
from workbench.formats.catalogue import Format
from workbench.readouts.catalogue import Readout

METHOD = Method(
    name="eap-power",
    kind="edges",
    title="EAP, spread or evened out by an exponent",
    definition="sign(s) |s|^power of the score s that edge attribution patching gives an edge",
    find="circuit_lab.eap_power:find",
    options=(Number("power", default=2.0, least=0.1, help="Exponent of the magnitude."),),
    slopes=True,
    unit="metric^power",
)

READOUT = Readout(
    name="difference-by-layer",
    names=("Difference by layer", "By layer", "Layer"),
    compute="circuit_lab.difference_by_layer:compute",
    help="The logit difference of the residual stream after every layer.",
    by_node=False,
)

FORMAT = Format(
    name="edge-list",
    title="an edge a line, after a line with the shape",
    matches="circuit_lab.edge_list:matches",
    read="circuit_lab.edge_list:read",
    write="circuit_lab.edge_list:write",
    losses="circuit_lab.edge_list:losses",
    suffix=".edges",
    is_json=False,
)

PART = Part(
    name="by-layer",
    title="Layer by layer",
    question="Which layer's nodes does the circuit need most?",
    definition="The circuit's faithfulness when all edges of its nodes in one layer are ablated.",
    assess="circuit_lab.by_layer:assess",
    headline="circuit_lab.by_layer:headline",
    sections="circuit_lab.by_layer:sections",
)
