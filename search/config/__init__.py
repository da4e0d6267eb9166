"""Configuration: schema, composition from files and the command line, and its errors."""
