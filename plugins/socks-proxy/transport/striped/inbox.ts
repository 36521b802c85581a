// The receiving half of a striped stream: pieces come over all links in any order, and leave in theirs. Pure.

type Bytes = Uint8Array<ArrayBuffer>;

/** Takes bytes in order; answers how many of them it took. */
export type Deliver = (bytes: Bytes, at: number, length: number) => number;

/** More pieces than this are held by nobody who means well. */
const MAX_PIECES = 16_384;

/** What a piece takes beside its bytes. */
const PIECE_BYTES = 128;

interface Piece {
  offset: number;
  bytes: Bytes;
}

/** What has come and not left yet. */
export class Inbox {
  /** Sorted, without overlaps; all at `next` or behind. */
  #pieces: Piece[] = [];
  /** Everything before has left. */
  next = 0;
  /** Everything before has come. */
  come = 0;
  /** So many of the first pieces are before that. */
  #inOrder = 0;
  /** Bytes that wait, for those before them or for who takes them. */
  held = 0;
  /** Bytes that had come before. */
  doubled = 0;
  /** How long the stream is, once that was said. */
  end: number | undefined;

  /** What this takes, at least. */
  get memory(): number {
    return this.held + this.#pieces.length * PIECE_BYTES;
  }

  /** Everything has left. */
  get isDone(): boolean {
    return this.end !== undefined && this.next >= this.end;
  }

  /** Takes a piece; what is in its turn leaves at once. False: the other end does what it may not. */
  take(offset: number, bytes: Bytes, at: number, length: number, limit: number, deliver: Deliver): boolean {
    const to = offset + length;
    if (to > limit || this.end !== undefined && to > this.end) return false;
    if (to <= this.next) {
      this.doubled += length;
      return true;
    }
    const skip = Math.max(0, this.next - offset);
    this.doubled += skip;
    if (offset + skip === this.next && (this.#pieces.length === 0 || this.#pieces[0]!.offset >= to)) {
      const taken = deliver(bytes, at + skip, length - skip);
      this.next += taken;
      if (taken < length - skip) this.#hold(this.next, bytes, at + skip + taken, length - skip - taken);
      else if (this.#pieces.length > 0) this.drain(deliver);
    } else {
      this.#insert(offset + skip, bytes, at + skip, length - skip);
      if (this.#pieces[0]!.offset <= this.next) this.drain(deliver);
    }
    this.#follow();
    return this.#pieces.length <= MAX_PIECES;
  }

  /** Lets leave what is in its turn. */
  drain(deliver: Deliver): void {
    let count = 0;
    for (const piece of this.#pieces) {
      if (piece.offset > this.next) break;
      const { length } = piece.bytes;
      const taken = deliver(piece.bytes, 0, length);
      this.next += taken;
      this.held -= taken;
      if (taken < length) {
        piece.offset += taken;
        piece.bytes = piece.bytes.subarray(taken);
        break;
      }
      count++;
    }
    if (count > 0) this.#pieces.splice(0, count);
    this.#inOrder = Math.max(0, this.#inOrder - count);
  }

  /** The other end says that the stream is that long. False: it cannot be. */
  ended(offset: number): boolean {
    if (this.end !== undefined) return this.end === offset;
    const last = this.#pieces.at(-1);
    if (offset < this.next || last && last.offset + last.bytes.length > offset) return false;
    this.end = offset;
    return true;
  }

  /** Pieces that are in order now. */
  #follow(): void {
    this.come = Math.max(this.come, this.next);
    for (;;) {
      const piece = this.#pieces[this.#inOrder];
      if (!piece || piece.offset > this.come) return;
      this.come = Math.max(this.come, piece.offset + piece.bytes.length);
      this.#inOrder++;
    }
  }

  /** Into its place, without what is there already. */
  #insert(offset: number, bytes: Bytes, at: number, length: number): void {
    let index = this.#pieces.length;
    while (index > 0 && this.#pieces[index - 1]!.offset > offset) index--;
    const before = this.#pieces[index - 1];
    const to = offset + length;
    let from = before ? Math.max(offset, before.offset + before.bytes.length) : offset;
    let fresh = 0;
    while (from < to) {
      const after = this.#pieces[index];
      const until = Math.min(to, after?.offset ?? to);
      if (until > from) {
        const piece = { offset: from, bytes: bytes.slice(at + from - offset, at + until - offset) };
        this.#pieces.splice(index++, 0, piece);
        fresh += until - from;
      }
      if (!after) break;
      from = Math.max(from, after.offset + after.bytes.length);
      index++;
    }
    this.held += fresh;
    this.doubled += length - fresh;
  }

  #hold(offset: number, bytes: Bytes, at: number, length: number): void {
    this.#pieces.unshift({ offset, bytes: bytes.slice(at, at + length) });
    this.held += length;
  }
}
