"""Does a model do here what it does in plain diffusers? Checks for `new-model`, `doctor` and the models' tests."""

from workers.verification.finding import CHECKS, Check, Finding, Group, check, run_checks
from workers.verification.subject import Subject

__all__ = ["CHECKS", "Check", "Finding", "Group", "Subject", "check", "run_checks"]
