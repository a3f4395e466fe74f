"""What is to be said of a cluster and a machine before, and while, flatbgp runs there: facts in, findings out."""
