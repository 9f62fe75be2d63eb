"""A server for the FilePond upload client: its protocol, on the stores of this package."""
