"""The screen of interventions: what is done to components, and what that does."""
