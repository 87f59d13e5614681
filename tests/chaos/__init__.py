"""Crash test: every process of the main job dies many times by SIGKILL, then every total must be exact."""
