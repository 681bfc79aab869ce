// A form of native inputs: of a message, or before the chat begins. Errors are listed at the top and tied to fields.
import type { FormBody, FormField, Message } from "@portico/webchat";
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../icons.tsx";
import type { TextKey, Translate } from "../i18n/texts.ts";
import { useText, useWidget } from "../widget/context.ts";

export type Values = Readonly<Record<string, string>>;

/** What is wrong with a value, as the key of a text; `undefined` if nothing is. */
export function fault(field: FormField, value: string): TextKey | undefined {
  const text = value.trim();
  if (text === "" || (field.kind === "checkbox" && text !== "true")) return field.required ? "required" : undefined;
  if (field.kind === "email" && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(text)) return "invalidEmail";
  if (field.kind === "tel" && !/^\+?[\d\s().\/-]{4,}$/.test(text)) return "invalidPhone";
  if (field.kind === "number" && !Number.isFinite(Number(text))) return "invalidNumber";
  return undefined;
}

interface FormProps {
  readonly id: string;
  readonly fields: readonly FormField[];
  readonly submit: string;
  readonly onSubmit: (values: Values) => void;
}

export function Form({ id, fields, submit, onSubmit }: FormProps) {
  const t = useText();
  const [values, setValues] = useState<Values>(() => Object.fromEntries(fields.map((field) => [field.name, field.value ?? ""])));
  const [faults, setFaults] = useState<Readonly<Record<string, TextKey>>>({});
  const root = useRef<HTMLFormElement>(null);
  const summary = useRef<HTMLDivElement>(null);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    if (tries > 0) summary.current?.focus();
  }, [tries]);
  const set = (name: string, value: string) => {
    setValues({ ...values, [name]: value });
    if (faults[name] !== undefined) {
      const { [name]: _gone, ...rest } = faults;
      setFaults(rest);
    }
  };
  const wrong = fields.filter((field) => faults[field.name] !== undefined);
  return (
    <form className="pt-form" ref={root} noValidate onSubmit={(event: { preventDefault(): void }) => {
      event.preventDefault();
      const found: Record<string, TextKey> = {};
      for (const field of fields) {
        const key = fault(field, values[field.name] ?? "");
        if (key !== undefined) found[field.name] = key;
      }
      setFaults(found);
      if (Object.keys(found).length > 0) setTries(tries + 1);
      else onSubmit(values);
    }}>
      {wrong.length > 0 && (
        <div className="pt-errors" ref={summary} tabIndex={-1} role="alert">
          <p>{t("errors", { n: wrong.length })}</p>
          <ul>
            {wrong.map((field) => (
              <li key={field.name}>
                <button type="button" onClick={() => root.current?.querySelector<HTMLElement>(`[name="${CSS.escape(field.name)}"]`)?.focus()}>{field.label}</button>
              </li>
            ))}
          </ul>
        </div>
      )}
      {fields.map((field) => <Field key={field.name} id={`${id}-${field.name}`} field={field} value={values[field.name] ?? ""} fault={faults[field.name]} t={t} onValue={(value) => set(field.name, value)} />)}
      <button type="submit" className="pt-button pt-button-main">{submit}</button>
    </form>
  );
}

const FILL: Readonly<Record<string, string>> = { email: "email", tel: "tel", name: "name" };

function Field({ id, field, value, fault: key, t, onValue }: { id: string; field: FormField; value: string; fault: TextKey | undefined; t: Translate; onValue: (value: string) => void }) {
  const common = {
    id,
    name: field.name,
    "aria-invalid": key !== undefined || undefined,
    "aria-describedby": key === undefined ? undefined : `${id}-error`,
    "aria-required": field.required || undefined,
  };
  const type = (event: { currentTarget: { value: string } }) => onValue(event.currentTarget.value);
  const error = key !== undefined && <span className="pt-error" id={`${id}-error`}><Icon name="alert" />{t(key)}</span>;
  if (field.kind === "checkbox") {
    return (
      <div className="pt-field">
        <label className="pt-check" htmlFor={id}>
          <input {...common} type="checkbox" checked={value === "true"} onChange={(event: { currentTarget: HTMLInputElement }) => onValue(event.currentTarget.checked ? "true" : "")} />
          <span dir="auto">{field.label}</span>
        </label>
        {error}
      </div>
    );
  }
  return (
    <div className="pt-field">
      <label htmlFor={id} dir="auto">{field.label}{!field.required && <small> ({t("optional")})</small>}</label>
      {field.kind === "textarea" ? (
        <textarea {...common} className="pt-input" dir="auto" value={value} placeholder={field.placeholder} maxLength={field.max} onInput={type} />
      ) : field.kind === "select" ? (
        <select {...common} className="pt-input" value={value} onChange={type}>
          <option value="">{field.placeholder ?? t("choose")}</option>
          {(field.options ?? []).map((option, i) => <option key={i} value={option.value}>{option.label}</option>)}
        </select>
      ) : (
        <input {...common} className="pt-input" type={field.kind as "text"} dir={field.kind === "text" ? "auto" : undefined} value={value} placeholder={field.placeholder} maxLength={field.max} autoComplete={FILL[field.kind] ?? FILL[field.name] ?? "off"} onInput={type} />
      )}
      {error}
    </div>
  );
}

export function FormMessage({ body, message, answer }: { body: FormBody; message: Message; answer: string | undefined }) {
  const widget = useWidget();
  const t = useText();
  const head = (
    <>
      {body.title !== undefined && <p className="pt-form-title" dir="auto">{body.title}</p>}
      {body.text !== undefined && <p dir="auto">{body.text}</p>}
    </>
  );
  if (answer !== undefined) return <div className="pt-form">{head}<p className="pt-note">{t("answered")}</p></div>;
  return (
    <div className="pt-form">
      {head}
      <Form id={`${widget.id}-${message.key}`} fields={body.fields} submit={body.submit ?? t("submit")} onSubmit={(values) => {
        widget.emit("messageSelected", { id: message.id, label: body.title ?? body.text ?? "", value: values });
        widget.send({ type: "form", fields: [], values: named(body.fields, values) }, message.id);
      }} />
    </div>
  );
}

/** Only what the form asked for, and no empty answers. */
function named(fields: readonly FormField[], values: Values): Record<string, string> {
  return Object.fromEntries(fields.map((field) => [field.name, (values[field.name] ?? "").trim()]).filter(([, value]) => value !== ""));
}
