"""An example of a package that extends Circuit Workbench by a task, method, readout and format."""
