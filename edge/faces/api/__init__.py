"""The local service: Clarifai's API over REST and gRPC. ``core`` does the work, the rest translates to and from it."""
