// Files that wait to be sent, and those on their way.
import { Icon } from "../icons.tsx";
import { formatBytes } from "../messages/media.tsx";
import { IconButton } from "../shell/icon-button.tsx";
import { useText, useUi, useWidget } from "../widget/context.ts";
import { removeFile } from "./files.ts";

export function Tray() {
  const widget = useWidget();
  const t = useText();
  const files = useUi((ui) => ui.files);
  const uploading = useUi((ui) => ui.uploading);
  if (files.length === 0 && uploading.length === 0) return null;
  return (
    <ul className="pt-tray" role="list">
      {uploading.map((name, i) => <li key={`u${i}`}><span className="pt-spin" aria-hidden="true" /><span className="pt-file-name">{t("uploading", { name })}</span></li>)}
      {files.map(({ key, file, preview }) => (
        <li key={key}>
          {preview !== undefined ? <img src={preview} alt="" /> : <Icon name="file" />}
          <span className="pt-file-text"><span className="pt-file-name" dir="auto">{file.name}</span><span className="pt-file-sub">{formatBytes(file.size, t.locale)}</span></span>
          <IconButton icon="close" label={t("remove", { name: file.name })} onPress={() => removeFile(widget, key)} />
        </li>
      ))}
    </ul>
  );
}
