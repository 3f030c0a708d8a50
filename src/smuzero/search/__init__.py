"""The search: a tree of sampled actions (Section 5, Appendix D), and a module that can be called.

The name `smuzero.search` has two readings. It is this package, holding the tree,
the PUCT rule and the plan; and it is the function that the public face promises,
`smuzero.search(key, root, model, ...)`. Python binds a subpackage as an attribute
of its parent at the first import of anything inside it, so a function of the same
name in `smuzero/__init__.py` would be overwritten, or not, by the order of other
people's imports. Both readings therefore share one object: this module is
callable, and a call is a call of `smuzero.search.plan.search`.

Importing this package imports no JAX; the first call does.
"""

import sys
from types import ModuleType
from typing import Any


class _CallableModule(ModuleType):
    """A module whose call is `plan.search`, which has the signature and its documentation."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from smuzero.search.plan import search

        return search(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
