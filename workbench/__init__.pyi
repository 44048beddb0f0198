# The public names, once: type checkers read them here, and `__init__.py` reads at run time where
# each is defined. No name may be that of a module in this package: importing the module would put
# itself in the name's place.

# Loading.
from tasks.pair import Pair as Pair
from tasks.task import Task as Task
from workbench.experiment.experiment import Experiment as Experiment
from workbench.experiment.interventions import Intervention as Intervention
from workbench.experiment.prepare import load_task as load_task
from workbench.experiment.prepare import prepare as prepare
from workbench.experiment.settings import ExperimentSettings as ExperimentSettings
from workbench.models.model import Model as Model
from workbench.models.model import load_model as load_model

# Circuits.
from workbench.circuits.circuit import Circuit as Circuit
from workbench.circuits.circuit import RoleGroup as RoleGroup
from workbench.circuits.comparison import Comparison as Comparison
from workbench.circuits.comparison import compare as compare
from workbench.circuits.graph import Graph as Graph
from workbench.formats import convert_circuit as convert_circuit
from workbench.formats import load_circuit as load_circuit
from workbench.formats import save_circuit as save_circuit
from workbench.formats.networkx import to_networkx as to_networkx
from workbench.pictures.draw import draw_circuit as draw_circuit
from workbench.pictures.settings import DrawingSettings as DrawingSettings

# Evaluating.
from workbench.engine.continuation import continue_pair as continue_pair
from workbench.engine.continuation import continue_text as continue_text
from workbench.engine.edge_sweep import EdgeSweep as EdgeSweep
from workbench.engine.edge_sweep import sweep_edges as sweep_edges
from workbench.engine.evaluator import Edit as Edit
from workbench.engine.evaluator import Evaluator as Evaluator
from workbench.engine.intervention_effect import alpha_curve as alpha_curve
from workbench.engine.intervention_effect import intervention_effect as intervention_effect
from workbench.engine.intervention_effect import with_interventions as with_interventions
from workbench.engine.pair_trial import try_pair as try_pair
from workbench.engine.pair_rows import pair_rows as pair_rows
from workbench.engine.patching import edge_effects as edge_effects
from workbench.engine.patching import node_effects as node_effects
from workbench.engine.circuit_score import CircuitScore as CircuitScore
from workbench.engine.score import evaluate as evaluate
from workbench.engine.trial_results import PairTrial as PairTrial

# Discovery.
from workbench.discovery.catalogue import METHODS as METHODS
from workbench.discovery.clusters.run import cluster_prompts as cluster_prompts
from workbench.discovery.findings_file import load_findings as load_findings
from workbench.discovery.findings_file import save_findings as save_findings
from workbench.discovery.run import Discovery as Discovery
from workbench.discovery.run import discover as discover

# Assessment.
from workbench.assessment.assess import assess as assess
from workbench.assessment.report.page import write_report as write_report
from workbench.assessment.results.assessment import Assessment as Assessment

# Neurons.
from workbench.neurons.at_roles import neuron_by_role as neuron_by_role
from workbench.neurons.firings import neuron_firings as neuron_firings
from workbench.neurons.inputs import neuron_inputs as neuron_inputs
from workbench.neurons.listing import neurons_of as neurons_of
from workbench.neurons.sufficient import sufficient_neurons as sufficient_neurons
from workbench.neurons.tokens import neuron_tokens as neuron_tokens
from workbench.neurons.tokens import neurons_promoting as neurons_promoting

# Sound and faulty components.
from workbench.reliability.results import Reliability as Reliability
from workbench.reliability.results import ReliabilitySettings as ReliabilitySettings
from workbench.reliability.steering import find_reliability as find_reliability

# The flow between tokens.
from workbench.engine.changes import Changes as Changes
from workbench.experiment.knockouts import Knockout as Knockout
from workbench.engine.changes import Replacement as Replacement
from workbench.flow.all_for_one import all_for_one as all_for_one
from workbench.flow.files import write_flow as write_flow
from workbench.flow.knockout_map import knockout_map as knockout_map
from workbench.flow.rerun import rerun as rerun
from workbench.flow.settings import AllForOneSettings as AllForOneSettings
from workbench.flow.settings import KnockoutSettings as KnockoutSettings

# Readouts.
from workbench.readouts.answer_curve import answer_curve as answer_curve
from workbench.readouts.attention import attention_pattern as attention_pattern
from workbench.readouts.catalogue import READOUTS as READOUTS
from workbench.readouts.catalogue import read_out as read_out
from workbench.readouts.circuit_runs import InCircuit as InCircuit
from workbench.readouts.direct_logit_attribution import (
    direct_logit_attribution as direct_logit_attribution,
)
from workbench.readouts.heads.finder import find_heads as find_heads
from workbench.readouts.heads.on_prompts import heads_at as heads_at
from workbench.readouts.heads.ov import ov_reading as ov_reading
from workbench.readouts.heads.qk import qk_reading as qk_reading
from workbench.readouts.heads.table import HeadTable as HeadTable
from workbench.readouts.jacobian.files import load_lens as load_lens
from workbench.readouts.jacobian.files import save_lens as save_lens
from workbench.readouts.jacobian.lens import JacobianLens as JacobianLens
from workbench.readouts.jacobian.resume import fit_lens as fit_lens
from workbench.readouts.jacobian_lens import jacobian_lens as jacobian_lens
from workbench.readouts.lens_map import lens_map as lens_map
from workbench.readouts.logit_lens import logit_lens as logit_lens
from workbench.readouts.residual_lens import residual_lens as residual_lens
from workbench.readouts.target import find_target as find_target
from workbench.readouts.token_ranks import token_ranks as token_ranks

# Effects of nodes.
from workbench.effects.files import write_effects as write_effects
from workbench.effects.joint import joint_effects as joint_effects
from workbench.effects.node_map import node_map as node_map
from workbench.effects.role_map import role_map as role_map
from workbench.readouts.attention_sources import attention_sources as attention_sources
from workbench.readouts.attention_sources import attention_without as attention_without
from workbench.effects.self_repair import self_repair as self_repair

# Jobs.
from workbench.jobs.by_name import find_job as find_job
from workbench.jobs.by_name import follow_job as follow_job
from workbench.jobs.by_name import remove_job as remove_job
from workbench.jobs.by_name import resume_job as resume_job
from workbench.jobs.by_name import stop_job as stop_job
from workbench.jobs.detach import detach_assessment as detach_assessment
from workbench.jobs.detach import detach_clusters as detach_clusters
from workbench.jobs.detach import detach_command as detach_command
from workbench.jobs.detach import detach_discovery as detach_discovery
from workbench.jobs.listing import Job as Job
from workbench.jobs.listing import list_jobs as list_jobs
from workbench.jobs.pick_up import PickedUp as PickedUp
from workbench.jobs.pick_up import pick_up as pick_up

# Sweeps over cells.
from workbench.checkpoints.results import AtCheckpoint as AtCheckpoint
from workbench.checkpoints.scores import over_checkpoints as over_checkpoints
from workbench.checkpoints.sequence import Checkpoint as Checkpoint
from workbench.checkpoints.sequence import read_checkpoints as read_checkpoints
from workbench.session.training import follow_training as follow_training
from workbench.sweeps.cells import Cell as Cell
from workbench.sweeps.cells import read_sweep as read_sweep
from workbench.sweeps.cells import sweep_cells as sweep_cells
from workbench.sweeps.run import SweepRun as SweepRun
from workbench.sweeps.run import run_sweep as run_sweep
from workbench.sweeps.status import SweepStatus as SweepStatus
from workbench.sweeps.status import sweep_status as sweep_status

# Sessions.
from workbench.session.session import Session as Session
from workbench.session.start import another_session as another_session
from workbench.session.start import build_session as build_session
from workbench.session.start import resume_session as resume_session
from workbench.session.start import start_session as start_session

# Errors.
from workbench.errors import Cancelled as Cancelled
from workbench.errors import WorkbenchError as WorkbenchError

__all__: list[str]
__version__: str
