"""The method `eap-power`: scores of edge attribution patching with an exponent."""

import numpy as np

from workbench.base.work import Work
from workbench.discovery.findings import Findings
from workbench.discovery.methods import eap
from workbench.discovery.options import Options
from workbench.experiment.experiment import Experiment


def find(experiment: Experiment, findings: Findings, options: Options) -> Work[None]:
    """Fill in `findings.edges`; what is there after each piece is right as far as it goes."""
    own = findings.copy()
    for fraction in eap.find(experiment, own, options):
        findings.edges = np.sign(own.edges) * np.abs(own.edges) ** np.float32(options.power)
        yield fraction
    findings.edges = np.sign(own.edges) * np.abs(own.edges) ** np.float32(options.power)
    findings.complete = own.complete
