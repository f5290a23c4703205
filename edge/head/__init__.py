"""What is trained on the device: embeddings to one score per concept, and how familiar a picture is."""
