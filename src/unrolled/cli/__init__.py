"""The command line. Options to verbs, results to text or JSON."""
