from edge.faces.cli import run

run()
