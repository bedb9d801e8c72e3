"""Ops of one's own, which layers put on the tape."""

from fastnn_kernels._own_op import register_op

__all__ = ["register_op"]
