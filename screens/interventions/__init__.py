"""The screen of interventions: what is done to components, what that does, and which are sound."""
