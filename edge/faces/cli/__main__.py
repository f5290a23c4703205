from edge.faces.cli import main

main(prog_name="edge")
