"""The assessment screen: how far the circuit can be trusted, question by question."""
