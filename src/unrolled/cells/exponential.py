"""Exponential gating. Knows the equation only."""

from unrolled.equations import cell
from unrolled.equations.ops import affine, exp, maximum, sigmoid, softplus, tanh


@cell
def slstm(x, h, c, n, m):
    """SLSTM (Beck et al. 2024, xLSTM): exponential gates, kept in range by the stabiliser m; n counts what c holds."""
    z, i, f, o = affine(x, h, parts=4, bias="shared")
    z, o = tanh(z), sigmoid(o)
    log_f = -softplus(-f)
    m_next = maximum(log_f + m, i)
    i, f = exp(i - m_next), exp(log_f + m - m_next)
    c = f * c + i * z
    n = f * n + i
    h = o * (c / n)
    return h, c, n, m_next
