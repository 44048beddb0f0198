"""The graph screen: the circuit by layers or by groups, and the groups' roles."""
