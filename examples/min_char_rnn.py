"""A recurrent network that learns to write, in one file of NumPy: forward and backward by hand, nothing hidden.

    python examples/min_char_rnn.py TEXT [--iterations 22600] [--hidden-size 100] [--seed 0]
    python examples/min_char_rnn.py TEXT --check

After Andrej Karpathy's min-char-rnn (gist d4dee566867f8291f086, 2015): the same network, loss, clipping and optimiser.
The text is read from left to right in chunks of 25 characters. In each chunk, at every step t,

    h_t = tanh(W_xh x_t + W_hh h_(t-1) + b_h)        x_t: the character, one-hot
    p_t = softmax(W_hy h_t + b_y)                    what the next character is thought to be

and the loss is the sum over the chunk of -log p_t[the character that came], in nats. The state after a chunk is where
the next one starts; gradients stop between chunks (truncated backpropagation through time).

The library does the same: `unrolled train TEXT --preset min-char-rnn`.
"""

import argparse
from pathlib import Path

import numpy as np

SEQ_LENGTH = 25
LEARNING_RATE = 0.1
CLIP = 5.0


def initial_parameters(hidden_size, vocab_size, random, scale=0.01):
    """Small random matrices, biases of zero."""
    return {
        "W_xh": random.standard_normal((hidden_size, vocab_size)) * scale,
        "W_hh": random.standard_normal((hidden_size, hidden_size)) * scale,
        "W_hy": random.standard_normal((vocab_size, hidden_size)) * scale,
        "b_h": np.zeros(hidden_size),
        "b_y": np.zeros(vocab_size),
    }


def step(parameters, h, character):
    """One step forward: the new state [H], and the log-probabilities [V] of the next character."""
    # W_xh times a one-hot vector is one of its columns
    h = np.tanh(parameters["W_xh"][:, character] + parameters["W_hh"] @ h + parameters["b_h"])
    logits = parameters["W_hy"] @ h + parameters["b_y"]
    logits = logits - logits.max()  # the same probabilities, and exp cannot overflow
    return h, logits - np.log(np.exp(logits).sum())


def loss_and_gradients(parameters, h, characters, targets):
    """A chunk forward and backward.

    Takes the state [H] before the chunk, its characters [T] and the ones that follow each of them [T]. Gives the loss
    in nats, summed over the chunk; its gradients by every parameter; and the state after the chunk.
    """
    states, log_probabilities = [h], []
    for character in characters:
        h, log_p = step(parameters, states[-1], character)
        states.append(h)
        log_probabilities.append(log_p)
    loss = -sum(log_p[target] for log_p, target in zip(log_probabilities, targets, strict=True))

    gradients = {name: np.zeros_like(value) for name, value in parameters.items()}
    d_h_later = np.zeros_like(h)  # what the steps after this one want of h
    for t in reversed(range(len(characters))):
        d_logits = np.exp(log_probabilities[t])
        d_logits[targets[t]] -= 1  # softmax and log together: probability minus truth
        d_h = parameters["W_hy"].T @ d_logits + d_h_later
        d_sum = (1 - states[t + 1] ** 2) * d_h  # through tanh
        gradients["W_hy"] += np.outer(d_logits, states[t + 1])
        gradients["b_y"] += d_logits
        gradients["W_xh"][:, characters[t]] += d_sum
        gradients["W_hh"] += np.outer(d_sum, states[t])
        gradients["b_h"] += d_sum
        d_h_later = parameters["W_hh"].T @ d_sum
    return loss, gradients, h


def adagrad_step(parameters, gradients, memory):
    """Clip each element of the gradients, then step; directions that were steep before get smaller steps (Adagrad)."""
    for name, gradient in gradients.items():
        clipped = gradient.clip(-CLIP, CLIP)
        memory[name] += clipped**2
        parameters[name] -= LEARNING_RATE * clipped / np.sqrt(memory[name] + 1e-8)


def chunks(ids):
    """The text in chunks, for ever: characters, the ones that follow them, and whether the text starts here."""
    while True:
        for start in range(0, len(ids) - SEQ_LENGTH, SEQ_LENGTH):
            yield ids[start : start + SEQ_LENGTH], ids[start + 1 : start + SEQ_LENGTH + 1], start == 0


def training(parameters, ids, iterations):
    """Learn from the text; gives the loss of each chunk, in nats, and the state after it."""
    memory = {name: np.zeros_like(value) for name, value in parameters.items()}
    h = np.zeros(len(parameters["b_h"]))
    for _, (characters, targets, is_start) in zip(range(iterations), chunks(ids), strict=False):
        if is_start:
            h = np.zeros_like(h)
        loss, gradients, h = loss_and_gradients(parameters, h, characters, targets)
        adagrad_step(parameters, gradients, memory)
        yield loss, h


def written(parameters, h, character, length, random):
    """Let the network write: draw a character by its probabilities, and feed it back."""
    ids = []
    for _ in range(length):
        h, log_p = step(parameters, h, character)
        character = random.choice(len(log_p), p=np.exp(log_p))
        ids.append(character)
    return ids


def gradient_check(parameters, characters, targets, random, entries=100, delta=1e-5):
    """Compare the gradients with central differences: ||a - n|| / ||a + n|| over random entries of each parameter."""
    h = random.standard_normal(len(parameters["b_h"]))
    _, gradients, _ = loss_and_gradients(parameters, h, characters, targets)
    errors = {}
    for name, value in parameters.items():
        flat = value.reshape(-1)  # a view: changing it changes the parameter
        chosen = random.choice(flat.size, min(entries, flat.size), replace=False)
        numeric = []
        for place in chosen:
            kept = flat[place]
            around = []
            for moved in (kept + delta, kept - delta):
                flat[place] = moved
                around.append(loss_and_gradients(parameters, h, characters, targets)[0])
            flat[place] = kept
            numeric.append((around[0] - around[1]) / (2 * delta))
        analytic = gradients[name].reshape(-1)[chosen]
        errors[name] = np.linalg.norm(analytic - numeric) / np.linalg.norm(analytic + numeric)
    return errors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--iterations", type=int, default=22_600, help="chunks to learn from")
    parser.add_argument("--hidden-size", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--check", action="store_true", help="check the gradients, and train nothing")
    options = parser.parse_args()
    text = options.text.read_text(encoding="utf-8")
    if len(text) <= SEQ_LENGTH:
        parser.error(f"{options.text} has {len(text)} characters: give more than {SEQ_LENGTH}")

    alphabet = sorted(set(text))
    place = {character: number for number, character in enumerate(alphabet)}
    ids = np.array([place[character] for character in text])
    random = np.random.default_rng(options.seed)
    if options.check:
        parameters = initial_parameters(options.hidden_size, len(alphabet), random, scale=0.1)
        for name, error in gradient_check(parameters, ids[:SEQ_LENGTH], ids[1 : SEQ_LENGTH + 1], random).items():
            print(f"{name}: {error:.1e}")
        return

    parameters = initial_parameters(options.hidden_size, len(alphabet), random)
    smooth = SEQ_LENGTH * np.log(len(alphabet))  # the loss of one who knows nothing
    print(f"{len(text):,} characters, {len(alphabet)} different")
    print(f"iteration 0: {smooth:.4f} nats per chunk")
    for number, (loss, h) in enumerate(training(parameters, ids, options.iterations), 1):
        smooth = 0.999 * smooth + 0.001 * loss
        if number % 1000 == 0 or number == options.iterations:
            sample = written(parameters, h, ids[0], 200, random)
            print(f"\n{''.join(alphabet[one] for one in sample)}\n\niteration {number}: {smooth:.4f} nats per chunk")


if __name__ == "__main__":
    main()
