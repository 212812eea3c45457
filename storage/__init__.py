"""Tables, statements and the writer; takes and returns core.model values."""
