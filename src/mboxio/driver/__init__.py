"""The driver author's door: the contract, what a queue can do, how replies are tied."""
