// A dialog that stands above the page until it is answered.

import type { ReactNode } from "react";
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import css from "./dialog.module.css";

interface DialogProps {
  title: string;
  isOpen: boolean;
  /** Called when it is left without an answer; absent: it cannot be. */
  onLeave?(): void;
  /** It takes something away that cannot be brought back. */
  isAlert?: boolean;
  children: ReactNode;
  /** Buttons, the one that does it last. */
  actions?: ReactNode;
}

export function Dialog({ title, isOpen, onLeave, isAlert, children, actions }: DialogProps) {
  return (
    <ModalOverlay
      className={css["overlay"]!}
      isOpen={isOpen}
      isDismissable={onLeave !== undefined && isAlert !== true}
      isKeyboardDismissDisabled={onLeave === undefined}
      onOpenChange={(open) => {
        if (!open) onLeave?.();
      }}
    >
      <Modal className={css["modal"]!}>
        <AriaDialog className={css["dialog"]!} role={isAlert === true ? "alertdialog" : "dialog"}>
          <Heading slot="title" level={2}>
            {title}
          </Heading>
          {children}
          {actions !== undefined && <div className={css["actions"]}>{actions}</div>}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}
