"""Model fields that upload while the form is filled in, with permissions, and a record of every upload."""
