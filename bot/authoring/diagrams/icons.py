"""Icons as stroked paths in a square of 14: for kinds of states, of facts and of transitions."""

PERSON = "M7 6.8a2.6 2.6 0 1 0 0-5.2a2.6 2.6 0 0 0 0 5.2M2.2 12.6c.3-2.7 2.2-4 4.8-4s4.5 1.3 4.8 4"
_CLOCK = "M7 12.4a5.4 5.4 0 1 0 0-10.8a5.4 5.4 0 0 0 0 10.8M7 4v3.2l2.2 1.5"
_BOLT = "M7.8 1.5L3.2 7.8h3.6l-.8 4.7l4.8-6.6H7.1z"
_FLAG = "M3.8 12.6V2h7L9 4.6l1.8 2.6h-7"

ICONS = {
    "question": "M4.9 5.1a2.1 2.1 0 1 1 3 1.9c-.7.3-.9.8-.9 1.5M7 11v.2",
    "action": _BOLT,
    "say": "M3 4.4h8M3 7.2h8M3 10h4.6",
    "wait": "M5 4v6M9 4v6",
    "handoff": PERSON,
    "end": _FLAG,
    "form": "M2.4 3.6h1.2M2.4 7h1.2M2.4 10.4h1.2M5.8 3.6h6M5.8 7h6M5.8 10.4h6",
    "forget": "M4 4l6 6M10 4l-6 6",
    "notify": "M3 10.2c1-.8 1.2-2 1.2-3.8a2.8 2.8 0 0 1 5.6 0c0 1.8.2 3 1.2 3.8zM6 12.2h2",
    "collect": "M7 2v6.4M4.4 6L7 8.6L9.6 6M2.6 9.6v2.2h8.8V9.6",
    "timer": _CLOCK,
    "event": "M7 2.2v2M7 9.8v2M2.2 7h2M9.8 7h2M3.6 3.6l1.4 1.4M9 9l1.4 1.4M3.6 10.4L5 9M9 5l1.4-1.4",
    "command": "M3 4l3 3l-3 3M7.4 10.4h3.8",
    "error": "M7 2.2L12.2 11.6H1.8zM7 5.6v2.8M7 10v.1",
    "misunderstood": "M4.9 4.8a2.1 2.1 0 1 1 3 1.9c-.7.3-.9.8-.9 1.5M7 11v.2",
    "choice": "M2.5 7h8M7.7 4l3 3l-3 3",
    "next": "M2.5 7h8M7.7 4l3 3l-3 3",
    "return": "M5 3L2.5 5.5L5 8M2.5 5.5h6a3 3 0 0 1 0 6H6",
    "other": "M2.5 7h8M7.7 4l3 3l-3 3",
    "origins": "M11 3L5 9M5 4.6V9h4.4",
    "note": "M7 6.2a.8.8 0 1 0 0 1.6a.8.8 0 0 0 0-1.6",
}
