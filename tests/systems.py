"""Rewriting systems from the literature with known answers; whether each is confluent is said in its group."""

from __future__ import annotations

from typing import Final

_PEANO = "(op zero 0) (op s 1) (op add 2) (op mul 2) (op a 2) (op f 1) (op g 1) (op h 1) (var x y z) "
_MONOID = "(op e 0) (op i 1) (op m 2) (op b 0) (op c 0) (op d 0) (var x y z) "
_LOGIC = "(op true 0) (op false 0) (op not 1) (op and 2) (op or 2) (op if 3) (var x y c) "
_LIST = "(op nil 0) (op cons 2) (op app 2) (op rev 1) (op snoc 2) (var x y z xs) "
_WORDS = "(op a 1) (op b 1) (op c 1) (op end 0) (op zero 0) (var x) "
_ASSOCIATE = "(rule assoc (m (m x y) z) (m x (m y z))) "

CONFLUENT: Final = {
    "addition": _PEANO + "(rule r1 (add zero y) y) (rule r2 (add (s x) y) (s (add x y)))",
    "multiplication": _PEANO
    + "(rule r1 (add zero y) y) (rule r2 (add (s x) y) (s (add x y))) "
    + "(rule r3 (mul zero y) zero) (rule r4 (mul (s x) y) (add (mul x y) y))",
    "Ackermann": _PEANO
    + "(rule r1 (a zero y) (s y)) (rule r2 (a (s x) zero) (a x (s zero))) (rule r3 (a (s x) (s y)) (a x (a (s x) y)))",
    "Fibonacci": _PEANO
    + "(rule r1 (add zero y) y) (rule r2 (add (s x) y) (s (add x y))) "
    + "(rule r3 (f zero) zero) (rule r4 (f (s zero)) (s zero)) (rule r5 (f (s (s x))) (add (f (s x)) (f x)))",
    "even and odd": _PEANO + "(rule r1 (f zero) zero) (rule r2 (f (s x)) (g x)) (rule r3 (g (s x)) (f x))",
    "maximum": _PEANO + "(rule r1 (a zero x) x) (rule r2 (a x zero) x) (rule r3 (a (s x) (s y)) (s (a x y)))",
    "idempotent": _PEANO + "(rule r1 (f (f x)) (f x))",
    "integers": _PEANO
    + "(rule r1 (s (f x)) x) (rule r2 (f (s x)) x) (rule r3 (add zero y) y) "
    + "(rule r4 (add (s x) y) (s (add x y))) (rule r5 (add (f x) y) (f (add x y)))",
    "monoid": _MONOID + "(rule r1 (m e x) x) (rule r2 (m x e) x) " + _ASSOCIATE,
    "group": _MONOID
    + "(rule r1 (m e x) x) (rule r2 (m (i x) x) e) (rule r4 (m (i x) (m x y)) y) (rule r5 (m x e) x) (rule r6 (i e) e) "
    + "(rule r7 (i (i x)) x) (rule r8 (m x (i x)) e) (rule r9 (m x (m (i x) y)) y) "
    + "(rule r10 (i (m x y)) (m (i y) (i x))) "
    + _ASSOCIATE,
    "central groupoid": _MONOID
    + "(rule r1 (m (m x y) (m y z)) y) (rule r2 (m x (m (m x y) z)) (m x y)) (rule r3 (m (m x (m y z)) z) (m y z))",
    "combinators": _MONOID
    + "(rule S (m (m (m b x) y) z) (m (m x z) (m y z))) (rule K (m (m c x) y) x) (rule I (m d x) x)",
    "negation normal form": _LOGIC
    + "(rule r1 (not (not x)) x) (rule r2 (not (and x y)) (or (not x) (not y))) "
    + "(rule r3 (not (or x y)) (and (not x) (not y)))",
    "conjunction": "(op true 0) (op false 0) (op and 2 commutes) (var x) "
    + "(rule r1 (and true x) x) (rule r2 (and false x) false) (rule r3 (and x x) x)",
    "exclusive or": "(op false 0) (op xor 2 commutes) (var x) (rule r1 (xor false x) x) (rule r2 (xor x x) false)",
    "conditional": _LOGIC
    + "(rule r1 (if true x y) x) (rule r2 (if false x y) y) (rule r3 (if c x x) x) (rule r4 (not true) false) "
    + "(rule r5 (not false) true) (rule r6 (if (not c) x y) (if c y x))",
    "append": _LIST + "(rule r1 (app nil y) y) (rule r2 (app (cons x xs) y) (cons x (app xs y)))",
    "reverse": _LIST
    + "(rule r1 (app nil y) y) (rule r2 (app (cons x xs) y) (cons x (app xs y))) "
    + "(rule r3 (rev nil) nil) (rule r4 (rev (cons x xs)) (app (rev xs) (cons x nil)))",
    "bicyclic monoid": _WORDS + "(rule r1 (a (b x)) x)",
    "Klein four": _WORDS + "(rule r1 (b (a x)) (a (b x))) (rule r2 (a (a x)) x) (rule r3 (b (b x)) x)",
}
"""Twenty confluent systems."""

NOT_CONFLUENT: Final = {
    "two constants": _MONOID + "(rule r1 b c) (rule r2 b d)",
    "Hindley": _MONOID + "(rule r1 b c) (rule r2 b d) (rule r3 d b) (rule r4 d e)",
    "Huet": _PEANO + "(rule r1 (a x x) zero) (rule r2 (a x (g x)) (s zero)) (rule r3 (f zero) (g (f zero)))",
    "Klop": _PEANO + "(rule r1 (a x x) zero) (rule r2 (f x) (a x (f x))) (rule r3 (g zero) (f (g zero)))",
    "self overlap": _PEANO + "(rule r1 (f (f x)) (g x))",
    "group axioms": _MONOID + "(rule r1 (m e x) x) (rule r2 (m (i x) x) e) " + _ASSOCIATE,
    "right inverse": _MONOID + "(rule r1 (m e x) x) (rule r2 (m x (i x)) e) " + _ASSOCIATE,
    "band": _MONOID + "(rule r1 (m x x) x) " + _ASSOCIATE,
    "presented monoid": _MONOID + "(rule r1 (m b c) d) " + _ASSOCIATE,
    "distribution": _PEANO
    + "(rule r1 (mul x (add y z)) (add (mul x y) (mul x z))) (rule r2 (mul (add x y) z) (add (mul x z) (mul y z)))",
    "wrong predecessor": _PEANO + "(rule r1 (f (s x)) x) (rule r2 (s (f x)) zero)",
    "half of De Morgan": _LOGIC + "(rule r1 (not (not x)) x) (rule r2 (not (and x y)) (or (not x) (not y)))",
    "wrong conditional": _LOGIC
    + "(rule r1 (if true x y) x) (rule r2 (if false x y) y) (rule r3 (not true) false) "
    + "(rule r4 (if (not c) x y) (if c x y))",
    "difference": _PEANO + "(rule r1 (a x zero) x) (rule r2 (a x x) (s zero))",
    "involution of lists": _LIST + "(rule r1 (rev (rev x)) x) (rule r2 (rev (cons x xs)) (snoc (rev xs) x))",
    "absorbing words": _WORDS + "(rule r1 (a (b x)) (a x)) (rule r2 (b (a x)) (b x))",
    "two orders": _WORDS + "(rule r1 (a (a (a x))) x) (rule r2 (a (a (a (a (a x))))) x)",
    "below the root": _WORDS + "(rule r1 (a (b x)) x) (rule r2 (b (c x)) (c x))",
    "one is zero": _PEANO + "(rule r1 (a x (s zero)) x) (rule r2 (s zero) zero)",
    "multiplication of open terms": "(op zero 0) (op s 1) (op add 2 commutes) (op mul 2 commutes) (var x y) "
    + "(rule r1 (add zero x) x) (rule r2 (add (s x) y) (s (add x y))) "
    + "(rule r3 (mul zero x) zero) (rule r4 (mul (s x) y) (add y (mul x y)))",
}
"""Twenty systems that are not confluent; Huet's and Klop's have no critical pairs that say so."""
