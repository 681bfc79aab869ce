// A button that is only an icon, with its name for everybody who does not see it.
import { Icon, type IconName } from "../icons.tsx";

export function IconButton({ icon, label, onPress, className, disabled }: { icon: IconName; label: string; onPress: () => void; className?: string; disabled?: boolean }) {
  return (
    <button type="button" className={`pt-iconbutton${className ? ` ${className}` : ""}`} aria-label={label} title={label} disabled={disabled} onClick={onPress}>
      <Icon name={icon} />
    </button>
  );
}
