"""One attached controller: clients come in; the remote lives, dies and returns."""
