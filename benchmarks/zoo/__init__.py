"""A zoo of tiny diffusers pipelines with random weights, the test-bed of batching by interception.

The conformance suite and the engine's tests take `cases()`, build each pipeline and compare what it
gives alone with what it gives in company. Importing this package loads neither torch nor diffusers;
`Case.build` and `Case.inputs` do.
"""

from benchmarks.zoo.case import Case, case, cases
from benchmarks.zoo.outputs import flatten_output
from benchmarks.zoo.words import EQUAL_PROMPTS, UNEQUAL_PROMPTS

__all__ = ["EQUAL_PROMPTS", "UNEQUAL_PROMPTS", "Case", "case", "cases", "flatten_output"]
