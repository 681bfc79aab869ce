// Keys that belong to an input method.

/**
 * An input method is composing: Enter chooses a word, Escape drops it. React keeps the browser's event in `nativeEvent`;
 * 229 is what some browsers say in place of the key.
 */
export function composing(event: { readonly isComposing?: boolean; readonly keyCode: number; readonly nativeEvent?: { readonly isComposing?: boolean } }): boolean {
  return event.isComposing === true || event.nativeEvent?.isComposing === true || event.keyCode === 229;
}
