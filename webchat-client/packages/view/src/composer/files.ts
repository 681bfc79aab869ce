// Files on their way in: counted, measured and judged before anybody waits for an upload.
import { formatBytes } from "../messages/media.tsx";
import type { PendingFile, Widget } from "../widget/widget.ts";

/** Whether a file is of an accepted type: `image/*`, `application/pdf`, `.csv`. An empty list takes all. */
export function accepted(file: { name: string; type: string }, accept: readonly string[]): boolean {
  if (accept.length === 0) return true;
  const name = file.name.toLowerCase();
  const type = file.type.toLowerCase();
  return accept.some((rule) => {
    const wanted = rule.trim().toLowerCase();
    if (wanted === "*" || wanted === "*/*") return true;
    if (wanted.startsWith(".")) return name.endsWith(wanted);
    return wanted.endsWith("/*") ? type.startsWith(wanted.slice(0, -1)) : type === wanted;
  });
}

let count = 0;

/** Puts files into the tray. What is refused is told above the composer. */
export function addFiles(widget: Widget, files: readonly File[]): void {
  const { settings, t } = widget.look.get();
  const { upload } = settings;
  const limits = widget.client.getState().limits;
  const largest = Math.min(upload.maxBytes, limits.file || upload.maxBytes);
  const pending: PendingFile[] = [...widget.ui.get().files];
  let notice: string | null = null;
  for (const file of files) {
    if (!accepted(file, upload.accept)) notice = t("fileType", { name: file.name });
    else if (file.size > largest) notice = t("fileTooLarge", { name: file.name, max: formatBytes(largest, t.locale) });
    else if (pending.length >= upload.maxFiles) {
      notice = t("tooManyFiles", { max: upload.maxFiles });
      break;
    } else {
      pending.push({ key: `f${++count}`, file, ...(/^image\/(png|jpe?g|gif|webp|avif)$/.test(file.type) ? { preview: URL.createObjectURL(file) } : {}) });
    }
  }
  widget.ui.set({ files: pending, notice });
}

export function removeFile(widget: Widget, key: string): void {
  const gone = widget.ui.get().files.find((pending) => pending.key === key);
  if (gone?.preview !== undefined) URL.revokeObjectURL(gone.preview);
  widget.ui.set({ files: widget.ui.get().files.filter((pending) => pending.key !== key), notice: null });
}
