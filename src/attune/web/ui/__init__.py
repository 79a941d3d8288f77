"""The pages: templates, and the modules and styles that they load."""
