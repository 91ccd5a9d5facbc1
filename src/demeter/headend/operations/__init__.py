"""Commands to meters: asked for, sent at most as often as it takes, confirmed only by looking."""

from demeter.headend.operations.crew import Crew, Rigging
from demeter.headend.operations.jobs import expire_commands
from demeter.headend.operations.model import Command, CommandState, Order, Outcome, Pacing, Step
from demeter.headend.operations.plans import KEYS, PLANS, SUPPLY, Plan
from demeter.headend.operations.service import cancel_command, checked, command, commands, request_command, steps
from demeter.headend.operations.store import COMMAND_CHANNEL, DONE_CHANNEL
from demeter.headend.operations.waiting import await_command

__all__ = [
    "COMMAND_CHANNEL",
    "DONE_CHANNEL",
    "KEYS",
    "PLANS",
    "SUPPLY",
    "Command",
    "CommandState",
    "Crew",
    "Order",
    "Outcome",
    "Pacing",
    "Plan",
    "Rigging",
    "Step",
    "await_command",
    "cancel_command",
    "checked",
    "command",
    "commands",
    "expire_commands",
    "request_command",
    "steps",
]
