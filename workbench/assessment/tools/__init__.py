"""What several questions need: bootstrap, knock-outs, random circuits, tests."""
