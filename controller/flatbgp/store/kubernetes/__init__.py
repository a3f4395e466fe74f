"""The store on a Kubernetes API server: objects are where kubectl sees them."""
