"""The same experiments for pools of several languages; ../README.md explains them."""
