// Two soft notes, made on the spot: no file to fetch. Needs a context that a gesture has woken.

/** Plays the chime; quiet where the browser has no sound or has not allowed it yet. */
export function chime(context: AudioContext): void {
  if (context.state !== "running") return;
  const start = context.currentTime + 0.01;
  note(context, 659.25, start, 0.16);
  note(context, 987.77, start + 0.09, 0.28);
}

function note(context: AudioContext, hertz: number, at: number, seconds: number): void {
  const voice = context.createOscillator();
  const volume = context.createGain();
  voice.type = "sine";
  voice.frequency.value = hertz;
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(0.09, at + 0.012);
  volume.gain.exponentialRampToValueAtTime(0.0001, at + seconds);
  voice.connect(volume).connect(context.destination);
  voice.start(at);
  voice.stop(at + seconds + 0.05);
}
