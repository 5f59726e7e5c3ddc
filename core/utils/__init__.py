"""utils: names that plugins give, such as ``anadrome.utils.checkpoint`` (``torch.utils``)."""
