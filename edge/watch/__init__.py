"""Loops that look, decide and act: pure logic over a clock that is passed in."""
